"""The grades of a course as files: CSV, and the import formats of Moodle and Canvas. Pure."""
