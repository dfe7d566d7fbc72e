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

# The C library of the same Debian, the root certificates, and nothing else: neither a shell nor a package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/vectide /usr/local/bin/vectide
# As in the Helm chart. Nothing is written to disk, so that the user owns nothing.
USER 10001:10001
# Of every command, so that `docker exec … vectide check` sees what the member sees.
ENV VECTIDE_CONFIG=/etc/vectide/vectide.toml
# Records are allocated by one thread and freed by others. By default each thread has an arena of its own, which keeps the most
# that it ever had.
ENV MALLOC_ARENA_MAX=2
# Health, metrics and status.
EXPOSE 9464
# SIGTERM drains, commits and leaves the consumer group.
STOPSIGNAL SIGTERM
# Whether the process can go on. An outage of another server is no reason to replace it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/vectide", "health"]
ENTRYPOINT ["/usr/local/bin/vectide"]
CMD ["run"]
