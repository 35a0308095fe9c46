"""The report: sections, issue pages, notebook and page, and the sentences they are made of."""
