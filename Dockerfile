# A static binary in an image that holds nothing else but certificates.
#   docker build -t oauth-client-operator:0.1.0 .
FROM rust:1.95.0-bookworm AS build
# The image's own toolchain, so that rust-toolchain.toml makes rustup download nothing.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
# --target keeps the flag away from build scripts and procedural macros, which cannot be static.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --package oauth-client-operator --target "$target" \
 && cp "target/$target/release/oauth-client-operator" /oauth-client-operator

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /oauth-client-operator /oauth-client-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/oauth-client-operator"]
CMD ["run"]
