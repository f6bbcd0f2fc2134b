"""Every page, card, chart and table shown to a person.

- `pages/`: self-contained HTML pages; `template_rendering` renders the templates in `templates/`, all on one `style.css`.
- `cards/`: Markdown cards of policies and data sets, and Croissant metadata.
- `charts/`: inline SVG.
- `run_report`: `report.json` and page of a run; `cost` and `provenance` are parts of it.
- `terminal`: tables and progress bars.
"""
