# The image holds one static binary and the system's certificates; no shell, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=(devel)
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /farmwire ./cmd/farmwire

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /farmwire /farmwire
# Probes come from outside the container.
ENV FARMWIRE_LISTEN=:8080
EXPOSE 8080
ENTRYPOINT ["/farmwire"]
CMD ["run"]
