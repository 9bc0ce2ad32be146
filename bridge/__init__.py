"""videomatte: soft, steady mattes from a trimap painted on one or a few frames."""
