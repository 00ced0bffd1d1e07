"""Sources of photographs. Each file is one plugin; `sources` is what they share: folders, tar
archives, LMDB."""
