"""The sandbox's OAuth issuer: it mints the demo's access tokens. The tiers know only its metadata address."""
