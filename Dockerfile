# Each image holds a static binary and the system's certificates. The default one has no shell and no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=(devel)
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /farmwire ./cmd/farmwire

FROM build AS build-demo
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /farmwire-demo ./cmd/farmwire-demo

# --target demo: the demo, and the simulated farm alone.
FROM gcr.io/distroless/static-debian12:nonroot AS demo
COPY --from=build-demo /farmwire-demo /farmwire-demo
ENTRYPOINT ["/farmwire-demo"]

# --target shell: with a shell, curl and Python, for the commands of farmwire trigger.
FROM debian:12-slim AS shell
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /farmwire /farmwire
COPY examples /examples
USER nobody
ENV FARMWIRE_LISTEN=:8080
EXPOSE 8080
ENTRYPOINT ["/farmwire"]
CMD ["trigger", "--help"]

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /farmwire /farmwire
# Probes come from outside the container.
ENV FARMWIRE_LISTEN=:8080
EXPOSE 8080
ENTRYPOINT ["/farmwire"]
CMD ["run"]
