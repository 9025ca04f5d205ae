return {
  reconcile = {},
  abandon = {disabled = obj.metadata.deletionTimestamp == nil},
}
