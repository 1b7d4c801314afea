"""Commands for people, beside kubectl: what would happen, why, and what is due. They read files and write nothing."""
