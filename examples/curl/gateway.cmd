@echo off
rem OpenAI's shape before any provider, named events, use and cost of a key. The model here needs OPENROUTER_API_KEY.

rem 13. Health, and who may answer
curl -X GET "http://localhost:8080/v1/health"

rem 14. Chat completion, whole
curl -X POST "http://localhost:8080/v1/chat/completions" -H "Content-Type: application/json" -H "Authorization: Bearer your-secret-api-key" -d "{\"provider\": \"openrouter\", \"model\": \"meta-llama/llama-3.2-3b-instruct:free\", \"messages\": [{\"role\": \"user\", \"content\": \"Tell me a joke.\"}]}"

rem 15. Chat completion, with every field of the source's example
curl -X POST "http://localhost:8080/v1/chat/completions" -H "Content-Type: application/json" -H "Authorization: Bearer your-secret-api-key" -d "{\"provider\": \"openrouter\", \"model\": \"meta-llama/llama-3.2-3b-instruct:free\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello, who are you?\"}], \"temperature\": 0.7, \"max_tokens\": 100, \"stream\": false}"

rem 16. Chat stream, with named events
curl -X POST "http://localhost:8080/v1/chat/stream" -H "Content-Type: application/json" -H "Authorization: Bearer your-secret-api-key" -d "{\"provider\": \"openrouter\", \"model\": \"meta-llama/llama-3.2-3b-instruct:free\", \"messages\": [{\"role\": \"user\", \"content\": \"Tell me a story about a brave knight.\"}], \"stream\": true}"

rem 17. Chat completion, streamed in OpenAI's chunks
curl -N -X POST "http://localhost:8080/v1/chat/completions" -H "Content-Type: application/json" -H "Authorization: Bearer your-secret-api-key" -d "{\"provider\": \"openrouter\", \"model\": \"meta-llama/llama-3.2-3b-instruct:free\", \"messages\": [{\"role\": \"user\", \"content\": \"Tell me a joke.\"}], \"stream\": true, \"stream_options\": {\"include_usage\": true}}"

rem 18. Use and cost of the calling key
curl -X GET "http://localhost:8080/v1/usage/stats" -H "Authorization: Bearer your-secret-api-key"

rem 19. Use and cost of the last week, by model
curl -X GET "http://localhost:8080/v1/usage/stats?period=week&group_by=model" -H "Authorization: Bearer your-secret-api-key"

rem 20. Use and cost between two days, by day
curl -X GET "http://localhost:8080/v1/usage/stats?from=2026-11-01&to=2026-12-01&group_by=day" -H "Authorization: Bearer your-secret-api-key"

rem 21. Use and cost over time, for a chart
curl -X GET "http://localhost:8080/v1/usage/series?interval=hour&period=day" -H "Authorization: Bearer your-secret-api-key"

rem 22. What the ledger says of one answer (YOUR_PROMPT_ID is its x-dragoman-id)
curl -X GET "http://localhost:8080/v1/exchanges/YOUR_PROMPT_ID" -H "Authorization: Bearer your-secret-api-key"
