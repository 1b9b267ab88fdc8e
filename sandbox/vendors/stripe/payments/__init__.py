"""Money that moves: payment intents, charges, refunds, disputes, the account's balance and its payouts."""
