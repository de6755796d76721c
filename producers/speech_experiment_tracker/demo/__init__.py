"""Two real experiments on real recordings: a keyword classifier, and a recogniser at several decoding points."""
