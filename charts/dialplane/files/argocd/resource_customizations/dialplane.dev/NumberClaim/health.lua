-- The operator's memory: it has no status, and what it says is shown by the PhoneNumber that it is about.
return {status = "Healthy", message = "Written by the operator"}
