"""Pages about models and policies: each person sees and orders what their own token allows."""
