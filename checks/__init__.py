"""What scanners say about the manifests, the chart, the Dockerfile and the code; part of `make check`."""
