#!/usr/bin/env bash
# What an operator asks: is it well, what does it serve, how much.

# 42. Does the process run?
curl http://127.0.0.1:8080/health/live

# 43. Can it serve?
curl http://127.0.0.1:8080/health/ready

# 44. Metrics, for Prometheus
curl http://127.0.0.1:8080/metrics -H 'Authorization: Bearer your-secret-api-key'

# 45. The models, in OpenAI's shape
curl http://127.0.0.1:8080/v1/models -H 'Authorization: Bearer your-secret-api-key'

# 46. The whole API, as an OpenAPI document (a page for people is at /docs)
curl http://127.0.0.1:8080/openapi.json
