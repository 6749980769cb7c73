"""The API described: ``/openapi.json`` and Swagger UI at ``/docs``.

operation.py  what a description is made of
openai.py responses.py anthropic.py gemini.py cohere.py ollama.py models.py
              the vendors' protocols: structs of the bodies, and what is served of each
surfaces.py   the simpler protocols         pages.py    what belongs to no vendor
relayed.py    what passes through unread    faults.py   how each of them fails
served.py     what the server answers, asked of the server
schemas.py    structs as JSON Schemas       document.py the whole
docs.py       the pages                     recorded.json  what a gateway answered to the examples
"""
