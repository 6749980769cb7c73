# Prompts, templates, ratings, figures. Models of Groq need GROQ_API_KEY, those of Gemini GEMINI_API_KEY.

# 1. Chat with Llama-3.1-8b-instant (Groq)
'{"prompt": "What is the capital of France?"}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '@-'

# 2. Chat with Gemini-2.5-flash
'{"prompt": "Tell me a joke."}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '@-'

# 3. Chat with a prompt template (Llama-3.1-8b-instant)
'{"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "gravity"}}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '@-'

# 4. Chat with a prompt template (Gemini-2.5-flash)
'{"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "gravity"}}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '@-'

# 5. Ask afresh, past the cache
'{"prompt": "What is the capital of France?"}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant&ignore_cache=true' -H 'Content-Type: application/json' -d '@-'

# 6. Rate an answer (YOUR_PROMPT_ID is the prompt_id of one)
'{"prompt_id": "YOUR_PROMPT_ID", "model": "llama-3.1-8b-instant", "rating": 5, "feedback": "Great answer!"}' | curl.exe -X POST 'http://127.0.0.1:8080/rate' -H 'Content-Type: application/json' -d '@-'

# 7. Fallback: without GROQ_API_KEY, Gemini answers
'{"prompt": "Fallback test."}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '@-'

# 8. With a system prompt, a temperature and a limit
'{"prompt": "Name a city.", "system": "Answer in one word.", "temperature": 0.2, "max_tokens": 20}' | curl.exe -X POST 'http://127.0.0.1:8080/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '@-'

# 9. Rate an answer, the older form
curl.exe -X POST 'http://127.0.0.1:8080/rate?prompt_id=YOUR_PROMPT_ID&score=4'

# 10. Which models there are
curl.exe 'http://127.0.0.1:8080/models'

# 11. Which templates there are
curl.exe 'http://127.0.0.1:8080/templates'

# 12. Figures: use, latency and ratings by model, fallbacks
curl.exe 'http://127.0.0.1:8080/stats'
