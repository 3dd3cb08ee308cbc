# Farsign as a container: `docker build --tag farsign:0.1.0 .`

FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libssl-dev make pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
# The image's own toolchain, not a newer one that rust-toolchain.toml would fetch.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
# Both folders are kept between builds; what is in them is in no layer, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin farsign \
    && cp target/release/farsign /usr/local/bin/farsign

FROM debian:12.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 farsign \
    && useradd --uid 10001 --gid farsign --home-dir /var/lib/farsign --shell /usr/sbin/nologin farsign \
    && install --directory --owner=farsign --group=farsign --mode=0750 /var/lib/farsign \
    && install --directory /etc/farsign
COPY --from=build /usr/local/bin/farsign /usr/local/bin/farsign
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
# Snapshots: they make a start faster and may be lost. What counts is in Kafka.
VOLUME /var/lib/farsign
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["farsign", "health", "--url", "http://127.0.0.1:9464/healthz"]
ENTRYPOINT ["farsign"]
CMD ["run", "--config", "/etc/farsign/farsign.yaml"]
