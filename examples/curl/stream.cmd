@echo off
rem A prompt in, a stream out. The name decides the provider: OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY.

rem 27. A stream from OpenAI
curl -X POST "http://localhost:8080/stream" -H "Authorization: Bearer your_secure_token" -H "Content-Type: application/json" -d "{\"model\": \"gpt-4o\", \"prompt\": \"Your instructions...\"}"

rem 28. The same as one object, kept alive while it is made
curl -N -X POST "http://localhost:8080/stream" -H "Authorization: Bearer your_secure_token" -H "Content-Type: application/json" -H "Accept: application/json" -d "{\"model\": \"gpt-4o\", \"prompt\": \"Your instructions...\"}"

rem 29. A stream from Anthropic
curl -N -X POST "http://localhost:8080/stream" -H "Authorization: Bearer your_secure_token" -H "Content-Type: application/json" -d "{\"model\": \"claude-haiku-4-5\", \"prompt\": \"Your instructions...\"}"

rem 30. A stream from Google
curl -N -X POST "http://localhost:8080/stream" -H "Authorization: Bearer your_secure_token" -H "Content-Type: application/json" -d "{\"model\": \"gemini-2.5-flash\", \"prompt\": \"Your instructions...\"}"

rem 31. Health
curl "http://localhost:8080/health"
