-- Any new value asks for a look at the carrier now.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["dialplane.dev/reconcile-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
