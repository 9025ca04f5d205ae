# The production image: the operator without the sandbox, the certificates of public authorities, and no shell.
FROM rust:1.95-bookworm AS build
WORKDIR /dialplane
COPY . .
RUN cargo build --locked --release --no-default-features

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /dialplane/target/release/dialplane /usr/local/bin/dialplane
# By number: a kubelet cannot tell from a name that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/dialplane"]
CMD ["run"]
