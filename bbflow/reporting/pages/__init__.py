"""Self-contained HTML pages: a run or an evaluation, a comparison, a reward model, filtered records, a contract verdict.

Each module prepares the values of one template in `templates/`; all pages share `base.html.jinja`, `macros.html.jinja` and `style.css`.
"""
