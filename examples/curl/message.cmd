@echo off
rem A message to a model or a provider by name: OPENAI_API_KEY, ANTHROPIC_API_KEY, COHERE_API_KEY make them ready.

rem 23. A message to OpenAI's default model
curl -X POST "http://127.0.0.1:8080/chat/" -H "Content-Type: application/json" -d "{\"message\": \"Hello, world!\", \"chat_model_name\": \"openai\", \"stream\": false}"

rem 24. A message to Anthropic's, streamed as lines of JSON
curl -N -X POST "http://127.0.0.1:8080/chat/" -H "Content-Type: application/json" -d "{\"message\": \"Hello, world!\", \"chat_model_name\": \"anthropic\", \"stream\": true}"

rem 25. A message to Cohere's
curl -X POST "http://127.0.0.1:8080/chat/" -H "Content-Type: application/json" -d "{\"message\": \"Hello, world!\", \"chat_model_name\": \"cohere\"}"

rem 26. A message to one model
curl -X POST "http://127.0.0.1:8080/chat/" -H "Content-Type: application/json" -d "{\"message\": \"Hello, world!\", \"chat_model_name\": \"gemini-2.5-flash\"}"
