# Anthropic's Messages, streaming and not: see the difference. Requesty needs REQUESTY_API_KEY, Anthropic ANTHROPIC_API_KEY.

# 32. Not streaming: nothing to see until the whole answer is there
'{"model": "claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "What is a dragoman?"}], "stream": false}' | curl.exe -X POST 'http://127.0.0.1:8080/v1/messages' -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '@-'

# 33. Streaming: the first words come at once
'{"model": "claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "What is a dragoman?"}], "stream": true}' | curl.exe -N -X POST 'http://127.0.0.1:8080/v1/messages' -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '@-'

# 34. Through Requesty, streaming
'{"model": "requesty/anthropic/claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "What is a dragoman?"}], "stream": true}' | curl.exe -N -X POST 'http://127.0.0.1:8080/v1/messages' -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '@-'

# 35. Through Requesty, not streaming
'{"model": "requesty/anthropic/claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "What is a dragoman?"}], "stream": false}' | curl.exe -X POST 'http://127.0.0.1:8080/v1/messages' -H 'Content-Type: application/json' -H 'anthropic-version: 2023-06-01' -d '@-'
