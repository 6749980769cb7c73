#!/usr/bin/env bash
# Anthropic's Messages, streaming and not: see the difference. Requesty needs REQUESTY_API_KEY, Anthropic ANTHROPIC_API_KEY.

# 32. Not streaming: nothing to see until the whole answer is there
curl -X POST http://127.0.0.1:8080/v1/messages -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '{
  "model": "claude-haiku-4-5",
  "max_tokens": 200,
  "messages": [{"role": "user", "content": "What is a dragoman?"}],
  "stream": false
}'

# 33. Streaming: the first words come at once
curl -N -X POST http://127.0.0.1:8080/v1/messages -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '{
  "model": "claude-haiku-4-5",
  "max_tokens": 200,
  "messages": [{"role": "user", "content": "What is a dragoman?"}],
  "stream": true
}'

# 34. Through Requesty, streaming
curl -N -X POST http://127.0.0.1:8080/v1/messages -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '{
  "model": "requesty/anthropic/claude-haiku-4-5",
  "max_tokens": 200,
  "messages": [{"role": "user", "content": "What is a dragoman?"}],
  "stream": true
}'

# 35. Through Requesty, not streaming
curl -X POST http://127.0.0.1:8080/v1/messages -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '{
  "model": "requesty/anthropic/claude-haiku-4-5",
  "max_tokens": 200,
  "messages": [{"role": "user", "content": "What is a dragoman?"}],
  "stream": false
}'
