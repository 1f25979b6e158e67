"""Packaging of pg2_tf and preprocessing."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "preprocessing" / "__init__.py").read_text()
)[1]

# The one place that names the repository.
REPOSITORY = "https://github.com/pg2-tf/pg2-tf"


def long_description() -> str:
    """Returns the README with absolute links, which package indexes need."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"<!--.*?-->\n", "", text, flags=re.DOTALL)
    text = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{REPOSITORY}/raw/main/", text)
    return re.sub(
        r"(?<!!)(\[[^]]*\]\()(?!https?:)", rf"\1{REPOSITORY}/blob/main/", text
    )


setup(
    name="pg2-tf",
    version=VERSION,
    description="Pose Guided Person Image Generation (PG2) in TensorFlow 2 and Keras 3",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["pg2_tf*", "preprocessing*"]),
    package_data={
        "pg2_tf": ["py.typed"],
        "preprocessing": ["py.typed"],
        "pg2_tf.paper.user_study": ["page.html", "page.css", "page.js"],
        "pg2_tf.inference": ["models/*"],
        "pg2_tf.webpage": ["*.html", "*.css", "*.js"],
    },
    install_requires=[
        "absl-py>=2.1",
        "ai-edge-litert>=2.1.6,<3",
        "filelock>=3.16",
        "google-crc32c>=1.6,<2",
        "keras>=3.12,<4",
        "numpy>=2.0,<3",
        "opencv-python-headless>=4.13,<6",
        "pandas>=2.2",
        "pillow>=11.3",
        "scikit-image>=0.25",
        "scipy>=1.15",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.20,<2.22",
        "tqdm>=4.66",
    ],
    entry_points={"console_scripts": ["pg2 = pg2_tf.__main__:main"]},
    extras_require={
        # TensorFlow with the CUDA libraries it was built for.
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        # The web page.
        "demo": ["gradio>=6.30,<7", "pillow-heif>=1,<2"],
        # Photos in the format of phones.
        "heic": ["pillow-heif>=1,<2"],
        # Preparing data on several machines.
        "ray": ["ray>=2.40,<3"],
        "figures": ["matplotlib>=3.9,<4"],
        # The client, and the requests that warm a model up.
        "serving": [
            "grpcio>=1.66,<2",
            "tensorflow-serving-api>=2.19,<3",
            "urllib3>=2.2,<3",
        ],
        "docs": ["mkdocs-material==9.8.2", "mkdocstrings[python]==1.0.8"],
        "dev": [
            "ipykernel==7.4.0",
            "mkdocs-material==9.8.2",
            "mkdocstrings[python]==1.0.8",
            "nbclient==0.11.0",
            "gradio==6.31.0",
            "grpcio==1.85.3",
            "matplotlib==3.11.2; python_version >= '3.11'",
            "matplotlib==3.10.9; python_version < '3.11'",
            "mypy==2.4.1",
            "pillow-heif==1.8.1",
            "playwright==1.65.2",
            "pypdf==7.1.1",
            "pytest==9.2.0",
            "pytest-xdist==3.8.0",
            "pyyaml==6.0.4",
            "ruff==0.17.6",
            "tensorflow-serving-api==2.21.0",
            "trustme==1.2.1",
            "urllib3==2.8.0",
        ],
    },
    url=REPOSITORY,
    project_urls={
        "Documentation": f"{REPOSITORY}/blob/main/docs/index.md",
        "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
        "Paper": "https://arxiv.org/abs/1705.09368",
    },
    keywords="PG2 pose image-generation person GAN TensorFlow Keras",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
)
