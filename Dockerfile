# syntax=docker/dockerfile:1

# Vectide without the embedded stand-ins: `docker build -t vectide .`
FROM rust:1.95-slim-bookworm AS build
# For librdkafka and OpenSSL, which are built from source; the image brings the C compiler. The versions are Debian's stable ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /vectide
COPY . .
# The caches outlive the layer, so that a change of the source does not compile the dependencies again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/vectide/target \
    cargo build --release --locked --no-default-features --bin vectide \
    && install -D target/release/vectide /out/vectide

FROM debian:bookworm-slim
# The root certificates of the embedding API, Kafka and Qdrant over TLS.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin vectide
COPY --from=build /out/vectide /usr/local/bin/vectide
USER 10001:10001
# Health, metrics and status.
EXPOSE 9464
# SIGTERM drains, commits and leaves the consumer group.
STOPSIGNAL SIGTERM
ENTRYPOINT ["vectide"]
CMD ["run", "--config", "/etc/vectide/vectide.toml"]
