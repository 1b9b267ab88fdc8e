"""The sandbox's OAuth issuer of the demo's access tokens. The tiers know only its metadata address."""
