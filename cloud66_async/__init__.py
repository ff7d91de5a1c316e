"""The async Python SDK for the Cloud 66 API."""
