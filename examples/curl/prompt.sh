#!/usr/bin/env bash
# Prompts, templates, ratings, figures. Models of Groq need GROQ_API_KEY, those of Gemini GEMINI_API_KEY.

# 1. Chat with Llama-3.1-8b-instant (Groq)
curl -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '{"prompt": "What is the capital of France?"}'

# 2. Chat with Gemini-2.5-flash
curl -X POST 'http://127.0.0.1:8080/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '{"prompt": "Tell me a joke."}'

# 3. Chat with a prompt template (Llama-3.1-8b-instant)
curl -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '{"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "gravity"}}'

# 4. Chat with a prompt template (Gemini-2.5-flash)
curl -X POST 'http://127.0.0.1:8080/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '{"template_id": "friendly", "template_vars": {"audience": "kids", "topic": "gravity"}}'

# 5. Ask afresh, past the cache
curl -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant&ignore_cache=true' -H 'Content-Type: application/json' -d '{"prompt": "What is the capital of France?"}'

# 6. Rate an answer (YOUR_PROMPT_ID is the prompt_id of one)
curl -X POST 'http://127.0.0.1:8080/rate' -H 'Content-Type: application/json' -d '{"prompt_id": "YOUR_PROMPT_ID", "model": "llama-3.1-8b-instant", "rating": 5, "feedback": "Great answer!"}'

# 7. Fallback: without GROQ_API_KEY, Gemini answers
curl -X POST 'http://127.0.0.1:8080/chat?model=llama-3.1-8b-instant' -H 'Content-Type: application/json' -d '{"prompt": "Fallback test."}'

# 8. With a system prompt, a temperature and a limit
curl -X POST 'http://127.0.0.1:8080/chat?model=gemini-2.5-flash' -H 'Content-Type: application/json' -d '{"prompt": "Name a city.", "system": "Answer in one word.", "temperature": 0.2, "max_tokens": 20}'

# 9. Rate an answer, the older form
curl -X POST 'http://127.0.0.1:8080/rate?prompt_id=YOUR_PROMPT_ID&score=4'

# 10. Which models there are
curl 'http://127.0.0.1:8080/models'

# 11. Which templates there are
curl 'http://127.0.0.1:8080/templates'

# 12. Figures: use, latency and ratings by model, fallbacks
curl 'http://127.0.0.1:8080/stats'
