# A message to a model or a provider by name: OPENAI_API_KEY, ANTHROPIC_API_KEY, COHERE_API_KEY make them ready.

# 23. A message to OpenAI's default model
'{"message": "Hello, world!", "chat_model_name": "openai", "stream": false}' | curl.exe -X POST 'http://127.0.0.1:8080/chat/' -H 'Content-Type: application/json' -d '@-'

# 24. A message to Anthropic's, streamed as lines of JSON
'{"message": "Hello, world!", "chat_model_name": "anthropic", "stream": true}' | curl.exe -N -X POST 'http://127.0.0.1:8080/chat/' -H 'Content-Type: application/json' -d '@-'

# 25. A message to Cohere's
'{"message": "Hello, world!", "chat_model_name": "cohere"}' | curl.exe -X POST 'http://127.0.0.1:8080/chat/' -H 'Content-Type: application/json' -d '@-'

# 26. A message to one model
'{"message": "Hello, world!", "chat_model_name": "gemini-2.5-flash"}' | curl.exe -X POST 'http://127.0.0.1:8080/chat/' -H 'Content-Type: application/json' -d '@-'
