"""The steps of Table 2, the user study, up to the page that participants answer."""

from pathlib import Path

from pg2_tf.paper.table1.plan import Plan, Step

# Section 4.4.
METHODS = {"G1+D": "coarse", "G1+G2+D": "refined"}
_NUM_PAIRS = 400
READY = (
    "{out}/study.html: give this page to the participants, and then\n"
    "python -m pg2_tf.user_study score --key={out}/study.key.json --answers=FOLDER "
    "--out={out}/table2"
)


def steps(plan: Plan, *, out: Path, seed: int) -> list[Step]:
    """Returns the steps after those of the rows: their images, and the page.

    Args:
        plan: of the rows.
        out: the folder of the page.
        seed: of the drawing of the images.
    """
    page = out / "study.html"
    made = [_images(plan, variant, out=out, seed=seed) for variant in METHODS]
    methods = [
        f"--method={variant}={_folder(out, variant) / 'images' / image}"
        for variant, image in METHODS.items()
    ]
    real = _folder(out, "G1+G2+D") / "images" / "target"
    flags = (f"--real={real}", *methods, f"--seed={seed}", f"--out={page}")
    return [
        *made,
        Step(
            f"write the page {page}",
            ("pg2_tf.user_study", "make", *flags),
            page.exists,
            lambda: 1.0,
        ),
    ]


def _images(plan: Plan, variant: str, *, out: Path, seed: int) -> Step:
    place = _folder(out, variant)
    flags = (
        f"--run_dir={plan.run_dir(variant)}",
        f"--data_dir={plan.data_dir}",
        f"--num_pairs={_NUM_PAIRS}",
        f"--seed={seed}",
        "--save_images",
        f"--out={place}",
    )
    return Step(
        f"images of {variant}",
        ("pg2_tf.evaluate", *flags),
        (place / "scores.json").exists,
        lambda: 1.0,
    )


def _folder(out: Path, variant: str) -> Path:
    return out / "study" / variant
