"""The numbers of the paper's Table 1."""

METRICS = ("ssim", "is", "mask_ssim", "mask_is")
TITLES = {"ssim": "SSIM", "is": "IS", "mask_ssim": "mask-SSIM", "mask_is": "mask-IS"}

# Paper, Table 1, on 12,800 test pairs of the authors' drawing. DeepFashion has no
# scores inside the mask. Its second and third row are the same in print.
_PRINTED: dict[str, dict[str, tuple[float, ...]]] = {
    "deepfashion": {
        "G1-CE-L1": (0.694, 2.395),
        "G1-HME-L1": (0.735, 2.427),
        "G1-L1": (0.735, 2.427),
        "G1-poseMaskLoss": (0.779, 2.668),
        "G1+D": (0.761, 3.091),
        "G1+G2+D": (0.762, 3.090),
    },
    "market1501": {
        "G1-CE-L1": (0.219, 2.568, 0.771, 2.455),
        "G1-HME-L1": (0.294, 3.171, 0.802, 2.508),
        "G1-L1": (0.304, 3.006, 0.809, 2.455),
        "G1-poseMaskLoss": (0.340, 3.326, 0.817, 2.682),
        "G1+D": (0.283, 3.490, 0.803, 3.310),
        "G1+G2+D": (0.253, 3.460, 0.792, 3.435),
    },
}
TABLE_1 = {
    dataset: {
        model: dict(zip(METRICS, values, strict=False))
        for model, values in rows.items()
    }
    for dataset, rows in _PRINTED.items()
}
