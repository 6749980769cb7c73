# The other protocols that Dragoman speaks, each before whatever provider the model is of.

# 36. OpenAI Responses
'{"model": "claude-haiku-4-5", "input": "What is a dragoman?"}' | curl.exe -X POST 'http://127.0.0.1:8080/v1/responses' -H 'Content-Type: application/json' -d '@-'

# 37. Gemini
'{"contents": [{"parts": [{"text": "What is a dragoman?"}]}]}' | curl.exe -X POST 'http://127.0.0.1:8080/v1beta/models/llama-3.1-8b-instant:generateContent' -H 'Content-Type: application/json' -d '@-'

# 38. Gemini, streamed
'{"contents": [{"parts": [{"text": "What is a dragoman?"}]}]}' | curl.exe -N -X POST 'http://127.0.0.1:8080/v1beta/models/llama-3.1-8b-instant:streamGenerateContent?alt=sse' -H 'Content-Type: application/json' -d '@-'

# 39. Cohere
'{"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "What is a dragoman?"}]}' | curl.exe -X POST 'http://127.0.0.1:8080/v2/chat' -H 'Content-Type: application/json' -d '@-'

# 40. Ollama, whose answer streams unless told otherwise
'{"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "What is a dragoman?"}]}' | curl.exe -N -X POST 'http://127.0.0.1:8080/api/chat' -H 'Content-Type: application/json' -d '@-'

# 41. Embeddings
'{"model": "text-embedding-3-small", "input": ["dragoman", "interpreter"]}' | curl.exe -X POST 'http://127.0.0.1:8080/v1/embeddings' -H 'Content-Type: application/json' -d '@-'
