"""Reading of doses in a text.

| question | module |
|---|---|
| How much of a drug is given a day? | `dose_parsing` |
| Which numbers does it hold, in digits and in words? | `numbers` |
| Which of its units measure a dose, and which a body weight or a laboratory value? | `dose_units` |
| How many tablets are taken? | `tablets` |
| How often a day? | `frequencies` |
| Which words say what a number next to a dose is? | `dose_words` |
"""
