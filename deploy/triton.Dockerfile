# The full Triton image with Pillow, which model_repository/preprocess decodes photos with.
# The build context is the top of the checkout.

# 26.02 is Triton 2.66: the last image before model management changed (name and path checks of
# the load call), so a twin is loaded there as it was measured on 2.51; and the first in which an
# ensemble answers when a step's queue is full, instead of never. Before 24.11 the image has
# Python 3.10, for which there is no Pillow of the version range below.
ARG TRITON_TAG=26.02
FROM nvcr.io/nvidia/tritonserver:${TRITON_TAG}-py3

# The lock holds the version, so that this image decodes as the rest of Tidegate does. numpy is
# the image's own: its Python backend was built against it. The import proves that both are there.
COPY requirements.lock /tmp/requirements.lock
RUN python3 -m pip install --no-cache-dir --break-system-packages --only-binary=:all: \
        --constraint /tmp/requirements.lock "pillow>=13" \
    && rm /tmp/requirements.lock \
    && python3 -c "import numpy, PIL.Image"

# triton-server, which the image brings; by number, so that it can be seen to be not root.
USER 1000:1000
