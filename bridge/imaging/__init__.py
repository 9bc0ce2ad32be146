"""Operations on image arrays: colour, trimaps, foreground colour, contact sheets."""
