"""Packaging of pg2_tf and preprocessing."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "preprocessing" / "__init__.py").read_text()
)[1]

setup(
    name="pg2-tf",
    version=VERSION,
    description="Pose Guided Person Image Generation (PG2) in TensorFlow 2 and Keras 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
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
        "figures": ["matplotlib>=3.9,<4"],
        # The client, and the requests that warm a model up.
        "serving": [
            "grpcio>=1.66,<2",
            "tensorflow-serving-api>=2.19,<3",
            "urllib3>=2.2,<3",
        ],
        "dev": [
            "gradio==6.31.0",
            "grpcio==1.85.3",
            "matplotlib==3.11.2; python_version >= '3.11'",
            "matplotlib==3.10.9; python_version < '3.11'",
            "mypy==2.4.1",
            "pillow-heif==1.8.1",
            "playwright==1.65.2",
            "pypdf==7.1.1",
            "pytest==9.2.0",
            "pyyaml==6.0.4",
            "ruff==0.17.6",
            "tensorflow-serving-api==2.21.0",
            "trustme==1.2.1",
            "urllib3==2.8.0",
        ],
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
