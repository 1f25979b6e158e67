# Training and generation on NVIDIA GPUs, or on the CPU:
#
#   docker build -t pg2-tf .
#   docker run --gpus=all -v "$PWD:/work" -w /work pg2-tf pg2_tf.train --dataset=market1501
#
# Build with --build-arg EXTRAS=serving,figures for an image without CUDA libraries.
FROM python:3.12-slim

ARG EXTRAS=gpu,serving,figures
WORKDIR /opt/pg2-tf
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY setup.py pyproject.toml README.md LICENSE MANIFEST.in ./
COPY pg2_tf pg2_tf
COPY preprocessing preprocessing
RUN pip install --no-cache-dir ".[${EXTRAS}]" && useradd --create-home pg2
USER pg2
ENTRYPOINT ["python", "-m"]
CMD ["pg2_tf"]
