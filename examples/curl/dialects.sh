#!/usr/bin/env bash
# The other protocols that Dragoman speaks, each before whatever provider the model is of.

# 36. OpenAI Responses
curl -X POST http://127.0.0.1:8080/v1/responses -H 'Content-Type: application/json' -d '{"model": "claude-haiku-4-5", "input": "What is a dragoman?"}'

# 37. Gemini
curl -X POST http://127.0.0.1:8080/v1beta/models/llama-3.1-8b-instant:generateContent -H 'Content-Type: application/json' -d '{"contents": [{"parts": [{"text": "What is a dragoman?"}]}]}'

# 38. Gemini, streamed
curl -N -X POST 'http://127.0.0.1:8080/v1beta/models/llama-3.1-8b-instant:streamGenerateContent?alt=sse' -H 'Content-Type: application/json' -d '{"contents": [{"parts": [{"text": "What is a dragoman?"}]}]}'

# 39. Cohere
curl -X POST http://127.0.0.1:8080/v2/chat -H 'Content-Type: application/json' -d '{"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "What is a dragoman?"}]}'

# 40. Ollama, whose answer streams unless told otherwise
curl -N -X POST http://127.0.0.1:8080/api/chat -H 'Content-Type: application/json' -d '{"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "What is a dragoman?"}]}'

# 41. Embeddings
curl -X POST http://127.0.0.1:8080/v1/embeddings -H 'Content-Type: application/json' -d '{"model": "text-embedding-3-small", "input": ["dragoman", "interpreter"]}'
