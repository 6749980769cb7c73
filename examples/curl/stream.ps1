# A prompt in, a stream out. The name decides the provider: OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY.

# 27. A stream from OpenAI
'{"model": "gpt-4o", "prompt": "Your instructions..."}' | curl.exe -X POST 'http://localhost:8080/stream' -H 'Authorization: Bearer your_secure_token' -H 'Content-Type: application/json' -d '@-'

# 28. The same as one object, kept alive while it is made
'{"model": "gpt-4o", "prompt": "Your instructions..."}' | curl.exe -N -X POST 'http://localhost:8080/stream' -H 'Authorization: Bearer your_secure_token' -H 'Content-Type: application/json' -H 'Accept: application/json' -d '@-'

# 29. A stream from Anthropic
'{"model": "claude-haiku-4-5", "prompt": "Your instructions..."}' | curl.exe -N -X POST 'http://localhost:8080/stream' -H 'Authorization: Bearer your_secure_token' -H 'Content-Type: application/json' -d '@-'

# 30. A stream from Google
'{"model": "gemini-2.5-flash", "prompt": "Your instructions..."}' | curl.exe -N -X POST 'http://localhost:8080/stream' -H 'Authorization: Bearer your_secure_token' -H 'Content-Type: application/json' -d '@-'

# 31. Health
curl.exe 'http://localhost:8080/health'
