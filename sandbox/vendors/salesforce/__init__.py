"""A Salesforce org for the sandbox: it keeps state and speaks Salesforce's REST API as real clients expect it."""
