"""Versions in a row, good and bad ones, under kept-alive load: which requests fail that no bad version has failed?"""
