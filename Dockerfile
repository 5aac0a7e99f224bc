# A static binary in an image that holds nothing else but certificates. Requires BuildKit, the default of docker build.
#   docker build -t oauth-client-operator:0.1.0 .
#
# The base image is pinned by the digest of its index, which covers all platforms. Compare it, or find a newer one:
#   docker buildx imagetools inspect rust:1.95.0-bookworm
FROM rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
# The toolchain of the image, so that rust-toolchain.toml makes rustup download nothing.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# The members of the workspace must exist for their manifests to be read; nothing of them is built.
COPY tests/demo/Cargo.toml tests/demo/Cargo.toml
COPY tests/explorer/Cargo.toml tests/explorer/Cargo.toml
COPY tests/testbed/Cargo.toml tests/testbed/Cargo.toml
RUN mkdir tests/demo/src tests/explorer/src tests/testbed/src \
 && touch tests/demo/src/main.rs tests/explorer/src/main.rs tests/testbed/src/lib.rs
COPY src src
# --target keeps the flag away from build scripts and procedural macros, which cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --package oauth-client-operator --bin oauth-client-operator --target "$target" \
 && cp "target/$target/release/oauth-client-operator" /oauth-client-operator

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="oauth-client-operator" \
      org.opencontainers.image.description="Registers OAuth 2.0 and OpenID Connect clients declaratively" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /oauth-client-operator /oauth-client-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/oauth-client-operator"]
CMD ["run"]
