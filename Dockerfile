# syntax=docker/dockerfile:1
# An image for `rydes serve` and `rydes providers run`: docs/release.md says how to run it.

# A release puts the programs of its wheels in the place of this stage: rydes-amd64 and rydes-arm64.
FROM rust:1.95-slim-bookworm AS program
ARG TARGETARCH
WORKDIR /source
# For jemalloc. The base image is rebuilt often, and has one version of it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cargo build --locked --profile dist --features jemalloc \
    && mv target/dist/rydes "/rydes-$TARGETARCH"

# glibc, libgcc, the certificate authorities and a user who is not root; no shell. Not musl: the program is
# the one that the tests and the other downloads have.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG TARGETARCH
COPY LICENSE LICENSE-APACHE LICENSE-MIT /usr/share/doc/rydes/
COPY --from=program /rydes-${TARGETARCH} /usr/bin/rydes
# Where `serve --listen 0.0.0.0:8080` answers.
EXPOSE 8080
ENTRYPOINT ["/usr/bin/rydes"]
