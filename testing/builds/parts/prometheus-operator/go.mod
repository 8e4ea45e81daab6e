// The definitions of what Prometheus' operator reads: files of this module, none of its code.
module podline.dev/tests/prometheus-operator

go 1.26

require github.com/prometheus-operator/prometheus-operator v0.92.0
