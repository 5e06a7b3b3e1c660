# zoo in a container; docs/install.md says how to use it. As it stands, torch is without CUDA. With it:
#   docker build --build-arg TORCH=cuda . --tag zoo
ARG PYTHON=3.13
FROM python:${PYTHON}-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /zoo

# What is large and seldom changes comes first: it stays as it is when zoo changes.
ARG TORCH=cpu
COPY constraints.txt ./
RUN case "${TORCH}" in \
    cpu) pip install --constraint constraints.txt --no-deps --index-url https://download.pytorch.org/whl/cpu \
        torch torchvision ;; \
    cuda) pip install --constraint constraints.txt torch torchvision ;; \
    *) echo "TORCH is cpu or cuda, not ${TORCH}" >&2; exit 1 ;; \
    esac

COPY pyproject.toml README.md LICENSE registry.toml ./
COPY zoo zoo
COPY plugins plugins
RUN pip install --constraint constraints.txt .

# Whoever it runs as, what is kept between commands can be written.
ENV HOME=/tmp
RUN useradd --no-create-home --uid 1000 zoo
USER 1000
WORKDIR /photographs
ENTRYPOINT ["zoo"]
CMD ["--help"]
