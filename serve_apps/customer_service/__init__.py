"""The customer-service application: dialogue flows, grounded answers and hand-off over HTTP."""
