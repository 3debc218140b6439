"""Questions with known answers, asked of a served model, and scored."""
